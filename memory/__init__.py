"""Long-context memory for LLM agents."""
