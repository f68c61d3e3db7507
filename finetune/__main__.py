"""`python -m finetune` is the same as the command `finetune`."""

import sys

from finetune.cli import main

sys.exit(main())
