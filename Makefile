# The two commands that matter: `make demo` and `make test`. Both do all the set-up by themselves.
SHELL := /bin/bash
export PATH := $(HOME)/.cargo/bin:$(PATH)
.DEFAULT_GOAL := help
.PHONY: help setup build test lint test-deploy test-v4l2 demo

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

setup: ## install what building needs (Debian packages, ONNX Runtime)
	@scripts/setup

build: setup ## release binaries under target/release/
	@cargo build --release --workspace
	@cp -u target/onnxruntime/libonnxruntime.so target/release/

lint: ## formatting, clippy (warnings are errors), licences
	@cargo fmt --all --check
	@cargo clippy --quiet --workspace --all-targets -- -D warnings
	@scripts/licences

test: ## everything that can be tested on this machine
	@scripts/setup test
	@$(MAKE) --no-print-directory lint
	@scripts/demo-photos
	@ROLLCALL_MOTO=$$(scripts/moto) cargo test --quiet --workspace
	@scripts/test-browser

test-deploy: build ## installation in a fresh Debian 12 (needs root; minutes)
	@scripts/test-deploy

test-v4l2: build ## a real V4L2 camera, in an emulated machine (minutes)
	@scripts/test-v4l2

demo: build ## real faces, recognised, refused, signed and countersigned on this machine (until Ctrl-C)
	@scripts/demo
