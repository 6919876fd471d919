"""Starting things: the Dagster instance, the sandbox process, the main job, the UI with its daemon."""
