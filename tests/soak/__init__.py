"""The soak: concurrent clients do everything at once, and every answer is compared with the model's."""
