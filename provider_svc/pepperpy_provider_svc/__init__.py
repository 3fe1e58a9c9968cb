"""The provider service: one gateway to language models for a whole deployment."""
