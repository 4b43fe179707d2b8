"""Files: what is stored, how untrusted files are checked before they are opened, and atomic writes."""
