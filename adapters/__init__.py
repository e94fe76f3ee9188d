"""Thin translations between sfumato and frameworks or wire formats."""
