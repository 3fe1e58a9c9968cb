"""What tasks share beside their messages: values, resources, budgets."""
