"""The learned router: tasks go where what was learned of earlier ones says that they end best."""
