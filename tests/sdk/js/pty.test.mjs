// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listener, thrown, withSandbox } from './common.mjs'

const it = withSandbox()
const bytes = (text) => new TextEncoder().encode(text)

async function open(options = {}) {
  const heard = listener()
  const terminal = await it.sandbox.pty.create({
    cols: 80,
    rows: 24,
    onData: heard.add,
    timeoutMs: 0,
    ...options,
  })
  return { heard, terminal, say: (text) => it.sandbox.pty.sendInput(terminal.pid, bytes(text)) }
}

test('a terminal runs what is typed, and ends with the shell', async () => {
  const { heard, terminal, say } = await open({ envs: { NAMED: 'yes' }, cwd: '/tmp' })
  await say('echo "[$((40 + 2)) $NAMED $PWD $TERM]"\n')
  await heard.until('[42 yes /tmp xterm-256color]')
  await say('exit 0\n')
  assert.equal((await terminal.wait()).exitCode, 0)
})

test('programs see its size, and the new one', async () => {
  const { heard, terminal, say } = await open()
  await say('echo "size=$(stty size)."\n')
  await heard.until('size=24 80.')
  await it.sandbox.pty.resize(terminal.pid, { cols: 120, rows: 40 })
  await say('echo "size=$(stty size), $(tput cols)."\n')
  await heard.until('size=40 120, 120.')
  assert.equal(await terminal.kill(), true)
})

test('Ctrl-C interrupts', async () => {
  const { heard, terminal, say } = await open()
  // The shell gives its terminal to a program before that says anything.
  await say(`sh -c 'echo "st"arted; exec sleep 60'; echo never\n`)
  await heard.until('started')
  await say('\u0003')
  await say('echo "in"terrupted $?\n')
  await heard.until('interrupted 130')
  await terminal.kill()
})

test('a terminal is met again after it was left', async (t) => {
  if (!it.sandbox.pty.connect) return t.skip('not in this release')
  const { heard, terminal, say } = await open()
  await say('kept=here; echo "re"ady\n')
  await heard.until('ready')
  await terminal.disconnect()
  const later = listener()
  const again = await it.sandbox.pty.connect(terminal.pid, { onData: later.add })
  await say('echo "[$kept]"\n')
  await later.until('[here]')
  await say('exit 7\n')
  assert.equal((await thrown(() => again.wait(), 'CommandExitError')).exitCode, 7)
})

test('killing it tells who waits', async () => {
  const { terminal } = await open()
  const waiting = thrown(() => terminal.wait(), 'CommandExitError')
  assert.equal(await it.sandbox.pty.kill(terminal.pid), true)
  await waiting
  assert.equal(await it.sandbox.pty.kill(terminal.pid), false)
})
