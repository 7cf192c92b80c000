from ingest.cameras.signals.reader import SignalReader, Signals, SignalSettings
from ingest.cameras.signals.sample import HEIGHT, NS_PER_S, WIDTH

__all__ = ["HEIGHT", "NS_PER_S", "WIDTH", "SignalReader", "SignalSettings", "Signals"]
