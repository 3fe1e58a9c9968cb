"""Scheduling: jobs on resources that are few, open at times, and wanted by all."""
