// SPDX-License-Identifier: MIT
// Against a host with TLS, whose clients know a domain and a key and nothing else.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox, listener } from './common.mjs'

test('a domain and a key are enough', async () => {
  assert.equal(process.env.E2B_API_URL, undefined)
  const sandbox = await Sandbox.create('base', { timeoutMs: 60_000 })
  assert.equal((await sandbox.commands.run('echo hello')).stdout, 'hello\n')
  await sandbox.files.write('note', 'over TLS')
  assert.equal(await sandbox.files.read('note'), 'over TLS')
  assert.equal(await (await fetch(await sandbox.downloadUrl('note'))).text(), 'over TLS')
  assert.equal(await sandbox.isRunning(), true)

  const heard = listener()
  const server = await sandbox.commands.run(
    'node -e \'require("http").createServer((q, a) => a.end("inside")).listen(3210, () => console.log("up"))\'',
    { background: true, onStdout: heard.add },
  )
  await heard.until('up')
  const answer = await fetch(`https://${sandbox.getHost(3210)}/`)
  assert.equal(await answer.text(), 'inside')
  await server.kill()
  assert.equal(await sandbox.kill(), true)
})
