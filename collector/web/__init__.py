"""Two listeners: the public one takes reports, the operator one shows them."""
