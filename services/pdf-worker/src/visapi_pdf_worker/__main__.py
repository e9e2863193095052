"""`python -m visapi_pdf_worker`."""

import sys

from visapi_pdf_worker.main import main

sys.exit(main())
