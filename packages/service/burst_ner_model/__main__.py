"""`python -m burst_ner_model`."""

import sys

from .command import main

sys.exit(main())
