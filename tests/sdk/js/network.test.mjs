// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox, ask, serve, withSandbox } from './common.mjs'

const it = withSandbox()

test('a port of the sandbox has a name', async () => {
  const name = it.sandbox.getHost(8000)
  assert.ok(name.startsWith(`8000-${it.sandbox.sandboxId}.`), name)
  const closed = await ask(name)
  assert.equal(closed.status, 502)
  assert.match(closed.body, /port is not open/)
  const server = await serve(it.sandbox, 8000, 'from inside')
  assert.deepEqual(await ask(name), { status: 200, body: 'from inside' })
  await server.kill()
})

test('sandboxes have ports of their own', async () => {
  const other = await Sandbox.create('base', { timeoutMs: 60_000 })
  await Promise.all([serve(it.sandbox, 8080, 'one'), serve(other, 8080, 'two')])
  assert.equal((await ask(it.sandbox.getHost(8080))).body, 'one')
  assert.equal((await ask(other.getHost(8080))).body, 'two')
  await other.kill()
  assert.equal((await ask(other.getHost(8080))).status, 502)
})
