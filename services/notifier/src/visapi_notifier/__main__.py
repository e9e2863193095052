"""`python -m visapi_notifier`."""

import sys

from visapi_notifier.main import main

if __name__ == "__main__":
    sys.exit(main())
