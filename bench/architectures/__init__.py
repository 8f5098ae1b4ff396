"""The models that people train, written for any device: nothing in here knows of metal."""

from .language import Bert, Gpt
from .vision import ResNet, Vgg
from .workload import Workload

WORKLOADS: dict[str, Workload] = {work.name: work for work in (ResNet(), Vgg(), Bert(), Gpt())}
