// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { thrown, withSandbox } from './common.mjs'

const it = withSandbox()

test('a repository is made, filled, branched and cloned', async () => {
  const { git, files } = it.sandbox
  await git.configureUser('Ada', 'ada@example.org')
  assert.equal(await git.getConfig('user.name'), 'Ada')
  await git.init('work', { initialBranch: 'main' })
  await files.write('work/readme', 'one\n')
  assert.equal((await git.status('work')).hasUntracked, true)
  await git.add('work')
  await git.commit('work', 'first')
  const status = await git.status('work')
  assert.deepEqual([status.currentBranch, status.isClean], ['main', true])
  await git.createBranch('work', 'side')
  const branches = await git.branches('work')
  assert.deepEqual([branches.currentBranch, [...branches.branches].sort()], ['side', ['main', 'side']])
  await git.checkoutBranch('work', 'main')
  await git.deleteBranch('work', 'side')
  await git.clone('/home/user/work', { path: 'copy' })
  assert.equal(await files.read('copy/readme'), 'one\n')
  assert.equal(await git.remoteGet('copy', 'origin'), '/home/user/work')
  await thrown(() => git.clone('/home/user/nothing', { path: 'none' }), 'SandboxError')
})
