"""The demo model: its corpus, trainer and evaluation. The checkpoint that they make is in service/demo/checkpoint."""
