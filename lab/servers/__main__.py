"""`python -m lab.servers mariadb redis -- command`."""

import sys

from lab.servers.command_line import main

sys.exit(main(sys.argv[1:]))
