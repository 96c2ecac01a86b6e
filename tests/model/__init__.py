"""A plain model of the whole service: what each answer must be, written from the comments of the contract.

It knows the protos and nothing else of the service. Everything is slow and obvious on purpose: prices are found by
trying every combination, wallets are dictionaries, and an operation answers the whole message that is expected.

The order in which to read it: numbers, dates, wallet, rules, pricing, spending, giving, refunds, service; uncertain
says what is known of budgets while others use them, comparing says what makes two answers equal.
"""
