"""The doorways: Pandera schemas of every table, with descriptions and units per column."""
