// SPDX-License-Identifier: MIT
// Names under localhost are loopback (RFC 6761). Where the system does not resolve them, programs
// that are started with --require of this do.
const dns = require('node:dns')

const { lookup } = dns
dns.lookup = (name, ...rest) => lookup(name.endsWith('.localhost') ? '127.0.0.1' : name, ...rest)
