"""What a template may use, shared by the process that renders and the one that asks."""

SOURCE_MAX_CHARS = 256 * 1024
OUTPUT_MAX_CHARS = 2 * 1024 * 1024
MEMORY_BYTES = 512 * 1024 * 1024
"""Address space of the rendering process; Python and Jinja2 take about 60 MB of it."""
DEADLINE_S = 2.0
RENDERS_MAX = 1000
"""After so many renderings the process is replaced, whatever it leaked."""
