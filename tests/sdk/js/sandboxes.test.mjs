// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox, listener, thrown, until } from './common.mjs'

const mark = `run-${process.pid}-${Date.now()}`
const create = (options = {}) => Sandbox.create('base', { timeoutMs: 60_000, ...options })

async function pages(paginator) {
  const all = []
  while (paginator.hasNext) all.push(await paginator.nextItems())
  return all
}

test('a sandbox is created, described and killed', async () => {
  const sandbox = await create({ metadata: { mark, odd: 'a b&c=d/ü' } })
  assert.match(sandbox.sandboxId, /^[a-z0-9]+$/)
  const info = await sandbox.getInfo()
  assert.equal(info.sandboxId, sandbox.sandboxId)
  assert.deepEqual(info.metadata, { mark, odd: 'a b&c=d/ü' })
  assert.equal(info.state, 'running')
  assert.ok(info.startedAt instanceof Date && info.endAt > info.startedAt)
  assert.ok(info.cpuCount > 0 && info.memoryMB > 0)
  assert.equal(await sandbox.isRunning(), true)
  assert.equal(await sandbox.kill(), true)
  assert.equal(await sandbox.isRunning(), false)
  assert.equal(await Sandbox.kill(sandbox.sandboxId), false)
})

test('variables of a sandbox are in every command', async () => {
  const sandbox = await create({ envs: { GREETING: 'hello you' } })
  assert.equal((await sandbox.commands.run('echo $GREETING')).stdout, 'hello you\n')
  const own = await sandbox.commands.run('echo $GREETING', { envs: { GREETING: 'own' } })
  assert.equal(own.stdout, 'own\n')
  assert.equal((await sandbox.commands.run('echo $GREETING')).stdout, 'hello you\n')
  await sandbox.kill()
})

test('lists are filtered by metadata and state, and come in pages', async () => {
  const metadata = { mark: `${mark}-list` }
  const made = await Promise.all([create({ metadata }), create({ metadata }), create({ metadata })])
  const ids = made.map((one) => one.sandboxId).sort()
  const found = await pages(Sandbox.list({ query: { metadata }, limit: 2 }))
  assert.deepEqual(found.map((page) => page.length), [2, 1])
  assert.deepEqual(found.flat().map((one) => one.sandboxId).sort(), ids)
  await made[0].pause()
  const paused = await Sandbox.list({ query: { metadata, state: ['paused'] } }).nextItems()
  assert.deepEqual(paused.map((one) => [one.sandboxId, one.state]), [[made[0].sandboxId, 'paused']])
  const running = await Sandbox.list({ query: { metadata, state: ['running'] } }).nextItems()
  assert.equal(running.length, 2)
  const both = await Sandbox.list({ query: { metadata, state: ['running', 'paused'] } }).nextItems()
  assert.equal(both.length, 3)
  const other = Sandbox.list({ query: { metadata: { mark: `${mark}-none` } } })
  assert.deepEqual(await other.nextItems(), [])
  assert.equal(other.hasNext, false)
  for (const one of made) assert.equal(await one.kill(), true)
})

test('a sandbox is met again by its id', async () => {
  const sandbox = await create()
  await sandbox.files.write('note', 'from the first')
  const again = await Sandbox.connect(sandbox.sandboxId)
  assert.equal(await again.files.read('note'), 'from the first')
  assert.equal((await Sandbox.getInfo(sandbox.sandboxId)).sandboxId, sandbox.sandboxId)
  await again.kill()
})

test('its timeout is moved, and ends it', async () => {
  const sandbox = await create()
  await sandbox.setTimeout(600_000)
  const left = (await sandbox.getInfo()).endAt - Date.now()
  assert.ok(left > 590_000 && left < 610_000, `${left} ms left`)
  await sandbox.setTimeout(1_000)
  await until(async () => !(await sandbox.isRunning()))
  await thrown(() => Sandbox.connect(sandbox.sandboxId), 'NotFoundError')
})

test('metrics show what it uses', async () => {
  const sandbox = await create()
  const [first] = await until(() => sandbox.getMetrics(), (list) => list.length > 0)
  for (const name of ['cpuCount', 'cpuUsedPct', 'memTotal', 'memUsed', 'diskTotal', 'diskUsed'])
    assert.ok(first[name] > 0, name)
  assert.ok(first.timestamp instanceof Date)
  await sandbox.kill()
})

test('a pause keeps files and processes', async () => {
  const sandbox = await create()
  const heard = listener()
  await sandbox.files.write('kept', 'still here')
  const command = await sandbox.commands.run('cat', { background: true, stdin: true })
  assert.ok(await sandbox.pause())
  assert.equal((await Sandbox.getInfo(sandbox.sandboxId)).state, 'paused')
  assert.equal(await sandbox.isRunning(), false)
  const again = await Sandbox.connect(sandbox.sandboxId, { timeoutMs: 60_000 })
  assert.equal((await again.getInfo()).state, 'running')
  assert.equal(await again.files.read('kept'), 'still here')
  assert.ok((await again.commands.list()).some((one) => one.pid === command.pid))
  const met = await again.commands.connect(command.pid, { onStdout: heard.add })
  await again.commands.sendStdin(command.pid, 'hello after the pause\n')
  await heard.until('hello after the pause\n')
  await met.kill()
  await again.kill()
  await command.disconnect()
})

test('pausing twice says that it was paused', async () => {
  const sandbox = await create()
  assert.equal(await sandbox.pause(), true)
  assert.equal(await sandbox.pause(), false)
  await thrown(() => Sandbox.pause('non-existing'), 'NotFoundError')
  assert.equal(await sandbox.kill(), true)
})

test('a snapshot makes new sandboxes', { skip: !Sandbox.createSnapshot }, async () => {
  const sandbox = await create()
  await sandbox.files.write('/base-of-all', 'in the snapshot')
  const { snapshotId } = await sandbox.createSnapshot()
  await sandbox.files.write('/base-of-all', 'changed')
  const copy = await Sandbox.create(snapshotId, { timeoutMs: 60_000 })
  assert.equal(await copy.files.read('/base-of-all'), 'in the snapshot')
  const listed = await sandbox.listSnapshots().nextItems()
  assert.deepEqual(listed.map((one) => one.snapshotId), [snapshotId])
  assert.equal(await Sandbox.deleteSnapshot(snapshotId), true)
  assert.equal(await Sandbox.deleteSnapshot(snapshotId), false)
  await Promise.all([copy.kill(), sandbox.kill()])
})

test('a fork goes its own way', { skip: !Sandbox.fork }, async () => {
  const sandbox = await create()
  await sandbox.files.write('here', 'both')
  const forks = await sandbox.fork({ count: 2 })
  assert.equal(forks.length, 2)
  await forks[0].files.write('here', 'fork')
  assert.equal(await sandbox.files.read('here'), 'both')
  assert.equal(await forks[1].files.read('here'), 'both')
  await Promise.all([...forks, sandbox].map((one) => one.kill()))
})

test('killing it ends the command that runs', async () => {
  const sandbox = await create()
  const command = await sandbox.commands.run('sleep 60', { background: true })
  const waiting = thrown(() => command.wait(), 'TimeoutError')
  await sandbox.kill()
  await waiting
  await thrown(() => sandbox.commands.run('true'), 'TimeoutError', 'NotFoundError')
})

test('errors have their classes', async () => {
  await thrown(() => create({ apiKey: `e2b_${'f'.repeat(40)}` }), 'AuthenticationError')
  await thrown(() => Sandbox.create('no-such-template'), 'SandboxError')
  await thrown(() => Sandbox.connect('nonexistingsandbox'), 'NotFoundError')
  await thrown(() => Sandbox.getInfo('nonexistingsandbox'), 'NotFoundError')
  await thrown(() => Sandbox.setTimeout('nonexistingsandbox', 1000), 'NotFoundError')
  assert.equal(await Sandbox.kill('nonexistingsandbox'), false)
})
