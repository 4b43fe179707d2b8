"""What all tests share: generated cases are the same in every run and have no time limit each."""

from hypothesis import settings

settings.register_profile("ssdp-hw", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ssdp-hw")
