"""Neuron models, one file each; every target, quantisation and storage follow from what the file declares."""
