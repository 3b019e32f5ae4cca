"""What the fault tests are made of: clients that record what they were told, a nemesis, and a judge."""
