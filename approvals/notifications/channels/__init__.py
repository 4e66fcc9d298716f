"""How a message leaves the house. Each says what went wrong as a code of ours, and whether trying again may help."""
