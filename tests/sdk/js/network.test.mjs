// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict'
import http from 'node:http'
import { test } from 'node:test'
import { Sandbox, listener, withSandbox } from './common.mjs'

const it = withSandbox()

// Asks a sandbox's port by the name that getHost() gives; the address is the host's.
function ask(name) {
  const { hostname, port } = new URL(process.env.E2B_SANDBOX_URL)
  return new Promise((done, fail) => {
    http
      .get({ host: hostname, port, path: '/', headers: { Host: name } }, async (answer) => {
        let body = ''
        for await (const piece of answer) body += piece
        done({ status: answer.statusCode, body })
      })
      .on('error', fail)
  })
}

async function serve(sandbox, port, text) {
  const heard = listener()
  const program =
    `require("http").createServer((q, a) => a.end("${text}"))` +
    `.listen(${port}, () => console.log("listening"))`
  const command = await sandbox.commands.run(`node -e '${program}'`, {
    background: true,
    timeoutMs: 0,
    onStdout: heard.add,
  })
  await heard.until('listening')
  return command
}

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
