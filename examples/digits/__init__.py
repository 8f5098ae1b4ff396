"""Handwritten digits: a convolutional and a transformer classifier, trained on metal and on the CPU side by side."""
