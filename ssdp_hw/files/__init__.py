"""Files: what is stored, how untrusted files are checked before they are opened, and atomic writes.

``hdf5_guard.py`` checks an HDF5 file before its values are read, in a process of its own: ``reading_process.py`` starts
it, ``reading_worker.py`` is what it runs, ``value_stream.py`` how it hands values over. ``container.py`` writes and
reads the files of this toolkit, of the ``record.py`` that each object makes of itself; ``atomic.py`` replaces a file as
a whole or not at all.
"""

from ssdp_hw.deprecation import moved_names

__getattr__ = moved_names(__name__, ("write_atomically", "write_together"), "ssdp_hw.files.atomic")
