"""``python -m gencove_explorer.credentials``: jobs of an older runtime ask here; see aws/credentials.py."""

import sys

from gencove_explorer.aws.credentials import main

if __name__ == "__main__":
    sys.exit(main())
