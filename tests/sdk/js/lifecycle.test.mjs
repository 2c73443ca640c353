// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox, ask, sdk, serve, thrown, until } from './common.mjs'

const create = (options = {}) => Sandbox.create('base', { timeoutMs: 60_000, ...options })
const state = async (sandbox) => (await Sandbox.getInfo(sandbox.sandboxId)).state

test('at its timeout a sandbox may pause instead of ending', async () => {
  const sandbox = await create({ lifecycle: { onTimeout: 'pause' } })
  await sandbox.files.write('kept', 'over the timeout')
  assert.equal((await sandbox.getInfo()).lifecycle.onTimeout, 'pause')
  await sandbox.setTimeout(500)
  await until(() => state(sandbox), (now) => now === 'paused')
  const again = await sandbox.connect()
  assert.equal(await again.files.read('kept'), 'over the timeout')
  await again.kill()
})

test('a request brings back what may resume by itself', async () => {
  const sandbox = await create({ lifecycle: { onTimeout: 'pause', autoResume: true } })
  await serve(sandbox, 8000, 'awake')
  await sandbox.setTimeout(500)
  await until(() => state(sandbox), (now) => now === 'paused')
  assert.deepEqual(await ask(sandbox.getHost(8000)), { status: 200, body: 'awake' })
  assert.equal(await state(sandbox), 'running')
  await sandbox.kill()
})

test('a pause without memory keeps files alone', async () => {
  const sandbox = await create()
  await sandbox.files.write('kept', 'on disk')
  const command = await sandbox.commands.run('sleep 60', { background: true, timeoutMs: 0 })
  const boot = () => sandbox.files.read('/proc/sys/kernel/random/boot_id', { gzip: true })
  const before = await boot()
  const ended = command.wait().catch(() => {})
  assert.equal(await sandbox.pause({ keepMemory: false }), true)
  await sandbox.connect()
  assert.equal(await sandbox.files.read('kept'), 'on disk')
  assert.notEqual(await boot(), before)
  assert.deepEqual((await sandbox.commands.list()).filter((one) => one.pid === command.pid), [])
  await ended
  await sandbox.kill()
})

test('five pauses and five connects at once join', async () => {
  const sandbox = await create()
  await Promise.all(Array.from({ length: 5 }, () => Sandbox.pause(sandbox.sandboxId)))
  assert.equal(await state(sandbox), 'paused')
  await Promise.all(Array.from({ length: 5 }, () => Sandbox.connect(sandbox.sandboxId)))
  assert.equal(await state(sandbox), 'running')
  await sandbox.kill()
})

test('a snapshot has a name', { skip: !Sandbox.createSnapshot }, async () => {
  const name = `named-${process.pid}-${Date.now()}`
  const sandbox = await create()
  const first = await sandbox.createSnapshot({ name })
  assert.equal(first.names.length, 1)
  assert.match(first.names[0], new RegExp(`${name}$`))
  assert.equal((await sandbox.createSnapshot({ name })).snapshotId, first.snapshotId)
  const copy = await Sandbox.create(first.names[0], { timeoutMs: 60_000 })
  assert.equal(await copy.isRunning(), true)
  assert.equal(await Sandbox.deleteSnapshot(first.snapshotId), true)
  await Promise.all([copy.kill(), sandbox.kill()])
})

test('ports may be closed to those without the token', async () => {
  const sandbox = await create({ network: { allowPublicTraffic: false } })
  await serve(sandbox, 8000, 'private')
  const name = sandbox.getHost(8000)
  assert.ok(sandbox.trafficAccessToken)
  assert.equal((await ask(name)).status, 403)
  assert.equal((await ask(name, { 'e2b-traffic-access-token': 'wrong' })).status, 403)
  const headers = { 'e2b-traffic-access-token': sandbox.trafficAccessToken }
  assert.deepEqual(await ask(name, headers), { status: 200, body: 'private' })
  await sandbox.kill()
})

test('a command lives on when its request is given up', async () => {
  const sandbox = await create()
  const stop = new AbortController()
  const running = sandbox.commands.run('sleep 60', { signal: stop.signal, timeoutMs: 0 })
  const [listed] = await until(() => sandbox.commands.list(), (list) => list.length > 0)
  stop.abort()
  await assert.rejects(running)
  assert.equal(await sandbox.commands.kill(listed.pid), true)
  await sandbox.kill()
})

test('templates are known by name', async () => {
  assert.equal(await sdk.Template.exists('base'), true)
  assert.equal(await sdk.Template.exists('no-such-template'), false)
})

test('what the host does not have is named in the error', { skip: !sdk.Volume }, async () => {
  const error = await thrown(() => sdk.Volume.create('shared'), 'VolumeError', 'SandboxError')
  assert.match(error.message, /501|volume/i)
})
