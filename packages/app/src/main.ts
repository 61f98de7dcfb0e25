#!/usr/bin/env node
/** The command sluice. */
import "../bin/start.mjs"
