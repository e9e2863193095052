"""`python -m visapi_orchestrator`."""

import sys

from visapi_orchestrator.main import main

sys.exit(main())
