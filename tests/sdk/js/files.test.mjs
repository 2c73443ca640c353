// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { thrown, withSandbox } from './common.mjs'

const it = withSandbox()
const gather = async (stream) => {
  const pieces = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}
const noise = (size) => Uint8Array.from({ length: size }, (_, i) => (i * 7) ^ (i >> 8))

test('text is written and read', async () => {
  const { files } = it.sandbox
  const info = await files.write('greeting.txt', 'hällo\n')
  assert.deepEqual([info.name, info.path, info.type], ['greeting.txt', '/home/user/greeting.txt', 'file'])
  assert.equal(await files.read('greeting.txt'), 'hällo\n')
  assert.equal(await files.read('/home/user/greeting.txt'), 'hällo\n')
  await files.write('greeting.txt', 'x')
  assert.equal(await files.read('greeting.txt'), 'x')
  await files.write('empty', '')
  assert.equal(await files.read('empty'), '')
})

test('bytes come back as they went, whatever they come as', async () => {
  const { files } = it.sandbox
  const data = noise(3 << 20)
  await files.write('blob', new Blob([data]))
  const bytes = await files.read('blob', { format: 'bytes' })
  assert.equal(Buffer.compare(Buffer.from(bytes), Buffer.from(data)), 0)
  const blob = await files.read('blob', { format: 'blob' })
  assert.equal(blob.size, data.length)
  const streamed = await gather(await files.read('blob', { format: 'stream' }))
  assert.equal(Buffer.compare(streamed, Buffer.from(data)), 0)
  await files.write('buffer', data.buffer)
  assert.equal((await files.getInfo('buffer')).size, data.length)
  await files.write('stream', new Blob(['streamed']).stream())
  assert.equal(await files.read('stream'), 'streamed')
})

test('transfers may be packed', async () => {
  const { files } = it.sandbox
  const long = 'again and '.repeat(20_000)
  await files.write('packed', long, { useOctetStream: true, gzip: true })
  assert.equal(await files.read('packed', { gzip: true }), long)
  assert.equal((await files.getInfo('packed')).size, long.length)
})

test('many files are written at once', async () => {
  const { files } = it.sandbox
  const entries = Array.from({ length: 40 }, (_, i) => ({ path: `many/deep/f${i}`, data: `x${i}` }))
  const infos = await files.write(entries)
  assert.deepEqual(infos.map((one) => one.path), entries.map((one) => `/home/user/${one.path}`))
  assert.equal(await files.read('many/deep/f39'), 'x39')
  assert.deepEqual(await files.write([]), [])
})

test('directories are made, listed to a depth and removed', async () => {
  const { files } = it.sandbox
  assert.equal(await files.makeDir('tree/a/b'), true)
  assert.equal(await files.makeDir('tree/a/b'), false)
  await files.write('tree/top', '1')
  await files.write('tree/a/b/low', '2')
  const names = async (depth) => (await files.list('tree', { depth })).map((one) => [one.path, one.type])
  const home = '/home/user/tree'
  assert.deepEqual(await names(1), [[`${home}/a`, 'dir'], [`${home}/top`, 'file']])
  assert.deepEqual(await names(3), [
    [`${home}/a`, 'dir'],
    [`${home}/a/b`, 'dir'],
    [`${home}/a/b/low`, 'file'],
    [`${home}/top`, 'file'],
  ])
  await thrown(() => files.list('tree', { depth: 0 }), 'InvalidArgumentError')
  await files.remove('tree')
  assert.equal(await files.exists('tree'), false)
})

test('an entry says what it is', async () => {
  const { files, commands } = it.sandbox
  await files.write('entry', '1234567')
  await commands.run('ln -sf entry link; chmod 640 entry')
  const info = await files.getInfo('entry')
  assert.deepEqual(
    [info.name, info.type, info.size, info.mode, info.permissions, info.owner, info.group],
    ['entry', 'file', 7, 0o640, '-rw-r-----', 'user', 'user'],
  )
  assert.ok(info.modifiedTime instanceof Date)
  assert.equal((await files.getInfo('link')).symlinkTarget, '/home/user/entry')
  assert.equal((await files.getInfo('.')).type, 'dir')
})

test('files are moved', async () => {
  const { files } = it.sandbox
  await files.write('old', 'moved')
  assert.equal((await files.rename('old', 'new')).path, '/home/user/new')
  assert.deepEqual([await files.exists('old'), await files.exists('new')], [false, true])
  assert.equal(await files.read('new'), 'moved')
})

test('metadata stays with a file', async (t) => {
  const { files } = it.sandbox
  const info = await files.write('marked', 'x', { metadata: { author: 'ada', kind: 'note' } })
  if (info.metadata === undefined) return t.skip('not in this release, or not on this file system')
  assert.deepEqual(info.metadata, { author: 'ada', kind: 'note' })
  await files.rename('marked', 'still-marked')
  assert.deepEqual((await files.getInfo('still-marked')).metadata, info.metadata)
  await files.write('still-marked', 'y')
  assert.equal((await files.getInfo('still-marked')).metadata, undefined)
})

test('users have homes and files of their own', async () => {
  const { files } = it.sandbox
  const info = await files.write('mine', 'root', { user: 'root' })
  assert.equal(info.path, '/root/mine')
  assert.equal((await files.getInfo('/root/mine', { user: 'root' })).owner, 'root')
})

test('what is not there is an error of its class', async () => {
  const { files } = it.sandbox
  await thrown(() => files.read('nope'), 'NotFoundError')
  await thrown(() => files.list('nope'), 'NotFoundError')
  await thrown(() => files.getInfo('nope'), 'NotFoundError')
  await thrown(() => files.rename('nope', 'other'), 'NotFoundError')
  await files.remove('nope')
  await files.write('plain', 'x')
  await thrown(() => files.list('plain'), 'InvalidArgumentError')
  await thrown(() => files.read('.'), 'InvalidArgumentError')
})

async function watched(directory, options, act, wanted) {
  const seen = []
  let tell
  const enough = new Promise((done) => (tell = done))
  const watch = await it.sandbox.files.watchDir(
    directory,
    (event) => {
      seen.push(event)
      if (wanted.every(([type, name]) => seen.some((e) => e.type === type && e.name === name))) tell()
    },
    options,
  )
  await act()
  await enough
  await watch.stop()
  return seen
}

test('a watch tells what happens, below too', async () => {
  const { files } = it.sandbox
  await files.makeDir('watched/sub')
  const seen = await watched(
    'watched',
    { recursive: true },
    async () => {
      await files.write('watched/a', '1')
      await files.write('watched/sub/b', '2')
      await files.rename('watched/a', 'watched/c')
      await files.remove('watched/c')
    },
    [
      ['create', 'a'],
      ['write', 'a'],
      ['create', 'sub/b'],
      ['rename', 'a'],
      ['create', 'c'],
      ['remove', 'c'],
    ],
  )
  assert.equal(seen[0].type, 'create')
  await thrown(() => files.watchDir('nope', () => {}), 'NotFoundError')
})

test('signed URLs open one file, both ways', async () => {
  const { sandbox } = it
  const upload = await sandbox.uploadUrl('signed', { useSignatureExpiration: 60 })
  const form = new FormData()
  form.append('file', new Blob(['by URL']), 'signed')
  assert.equal((await fetch(upload, { method: 'POST', body: form })).status, 200)
  assert.equal(await sandbox.files.read('signed'), 'by URL')
  const download = await sandbox.downloadUrl('signed')
  const answer = await fetch(download)
  assert.deepEqual([answer.status, await answer.text()], [200, 'by URL'])
  const url = new URL(download)
  url.searchParams.set('path', 'other')
  assert.equal((await fetch(url)).status, 401)
  const past = await fetch(await sandbox.downloadUrl('signed', { useSignatureExpiration: -10 }))
  assert.equal(past.status, 401)
})
