"""The ``torch.backends`` entry point: importing torch registers the device ``metal``.

It lies outside of the package because it must never raise, whatever is wrong there: an exception here would break
``import torch``.
"""

import warnings


def load() -> None:
    try:
        import torch_metal  # noqa: F401
    except Exception as error:
        warnings.warn(f"The device 'metal' is not available: {type(error).__name__}: {error}", stacklevel=2)
