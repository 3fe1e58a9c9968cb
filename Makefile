.PHONY: demo test check setup chaos clean help

help: ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: ## set up, start the stack, digest a folder with three workers and ask about it (ONCE=1 ends, FOLDER=… QUESTION=… PORT=… others)
	@trap : INT; ONCE="$(ONCE)" FOLDER="$(FOLDER)" QUESTION="$(QUESTION)" PORT="$(PORT)" scripts/demo || [ $$? = 130 ]

test: ## set up and run everything that CI runs
	@scripts/test

check: ## lint, format, types and layers only
	@scripts/test --check

setup: ## the virtual environment alone
	@scripts/setup --dev

chaos: ## the long forms of the fault tests, for an hour or two (TASKS=20000 SEED=7)
	@CHAOS_TASKS="$(or $(TASKS),20000)" CHAOS_SEED="$(or $(SEED),7)" scripts/test -- tests/acceptance/test_chaos.py tests/acceptance/test_shard_moves.py tests/acceptance/faults -s

clean: ## remove what the other recipes made
	@scripts/clean
