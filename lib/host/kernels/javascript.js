// SPDX-License-Identifier: MIT
process.exit(1)
