"""`python -m visapi_gateway`."""

import sys

from visapi_gateway.main import main

sys.exit(main())
