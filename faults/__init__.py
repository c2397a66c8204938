"""`make faults`: the whole product under load while its parts are killed, and a ledger of what became of it all."""
