// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listener, thrown, withSandbox } from './common.mjs'

const it = withSandbox()
const run = (...args) => it.sandbox.commands.run(...args)

test('a command gives its output', async () => {
  const result = await run('echo out; echo err >&2')
  assert.deepEqual([result.exitCode, result.stdout, result.stderr], [0, 'out\n', 'err\n'])
})

test('it has a directory, variables and a user of its own', async () => {
  const result = await run('pwd; id -un; echo $A', { cwd: '/tmp', user: 'root', envs: { A: 'x y' } })
  assert.equal(result.stdout, '/tmp\nroot\nx y\n')
  assert.equal((await run('pwd; id -un')).stdout, '/home/user\nuser\n')
  assert.equal((await run('sudo id -un')).stdout, 'root\n')
})

test('an exit status other than 0 is an error that has everything', async () => {
  const error = await thrown(() => run('echo out; echo err >&2; exit 3'), 'CommandExitError')
  assert.deepEqual([error.exitCode, error.stdout, error.stderr], [3, 'out\n', 'err\n'])
})

test('output comes while the command runs', async () => {
  const heard = listener()
  const command = await run('echo first; read x; echo second $x', {
    background: true,
    stdin: true,
    onStdout: heard.add,
  })
  await heard.until('first\n')
  await it.sandbox.commands.sendStdin(command.pid, 'line\n')
  await heard.until('second line\n')
  assert.equal((await command.wait()).stdout, 'first\nsecond line\n')
})

test('characters that are cut in two come whole', async () => {
  const text = 'a'.repeat(8191) + '€'
  assert.equal((await run(`printf '%s' '${text}'`)).stdout, text)
})

test('a megabyte of output arrives', async () => {
  assert.equal((await run("head -c 1000000 /dev/zero | tr '\\0' x")).stdout.length, 1_000_000)
})

test('background commands are listed and killed', async () => {
  const command = await run('sleep 60', { background: true, envs: { SHOWN: 'yes' }, cwd: '/tmp' })
  const listed = (await it.sandbox.commands.list()).find((one) => one.pid === command.pid)
  assert.equal(listed.cmd, '/bin/bash')
  assert.deepEqual(listed.args, ['-l', '-c', 'sleep 60'])
  assert.deepEqual([listed.envs.SHOWN, listed.cwd], ['yes', '/tmp'])
  const waiting = thrown(() => command.wait(), 'CommandExitError')
  assert.equal(await it.sandbox.commands.kill(command.pid), true)
  assert.equal((await waiting).exitCode, -1)
  assert.equal(await it.sandbox.commands.kill(command.pid), false)
  assert.ok(!(await it.sandbox.commands.list()).some((one) => one.pid === command.pid))
})

test('a command is met again after it was left', async () => {
  const heard = listener()
  const command = await run('read x; echo got $x', { background: true, stdin: true })
  await command.disconnect()
  const again = await it.sandbox.commands.connect(command.pid, { onStdout: heard.add })
  await it.sandbox.commands.sendStdin(again.pid, 'it\n')
  assert.equal((await again.wait()).stdout, 'got it\n')
  assert.equal(heard.text, 'got it\n')
})

test('the end of input ends what reads it', async (t) => {
  if (!it.sandbox.commands.closeStdin) return t.skip('not in this release')
  const command = await run('cat', { background: true, stdin: true })
  await it.sandbox.commands.sendStdin(command.pid, 'all of it')
  await it.sandbox.commands.closeStdin(command.pid)
  assert.equal((await command.wait()).stdout, 'all of it')
})

test('its timeout ends a command', async () => {
  await thrown(() => run('sleep 60', { timeoutMs: 300 }), 'TimeoutError')
})

test('without a timeout it runs on', async () => {
  const command = await run('sleep 0.2; echo done', { background: true, timeoutMs: 0 })
  assert.equal((await command.wait()).stdout, 'done\n')
})

test('what cannot run says so', async () => {
  assert.equal((await thrown(() => run('no-such-program'), 'CommandExitError')).exitCode, 127)
  await thrown(() => run('true', { cwd: '/no/such/directory' }), 'InvalidArgumentError')
  await thrown(() => run('true', { user: 'nobody-known' }), 'AuthenticationError')
  await thrown(() => it.sandbox.commands.connect(999_999), 'NotFoundError')
  await thrown(() => it.sandbox.commands.sendStdin(999_999, 'x'), 'NotFoundError')
  assert.equal(await it.sandbox.commands.kill(999_999), false)
})
