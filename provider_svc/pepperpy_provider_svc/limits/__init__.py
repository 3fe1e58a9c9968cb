"""What keys and tenants may use."""
