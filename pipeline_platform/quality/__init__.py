"""Quality of what is stored: verdicts of the table contracts per day, later profiles, anomalies and scores."""
