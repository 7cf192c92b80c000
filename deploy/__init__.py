"""Where the rooms come together: commands, settings, the API, the console."""

__version__ = "0.1.0"
