"""Every message and HTTP body that crosses a process boundary, one file per subject.

Pure: structs and their meaning only. NATS messages and stored rows ignore unknown fields so
that versions can roll; HTTP bodies refuse them.
"""
