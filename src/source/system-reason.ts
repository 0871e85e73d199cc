/** What the operating system's error codes mean, in words a person can act on. Pure; any thread. */

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or directory',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is not a directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file is too large',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'its name is too long',
  EPIPE: 'the reader closed it before everything was written',
  EIO: 'the device failed',
}

export function systemReason(error: unknown): string {
  const { code, message } = error as { code?: string, message?: string }
  return reasons[code ?? ''] ?? message ?? String(error)
}
