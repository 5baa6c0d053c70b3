using System.Runtime.InteropServices;

namespace DistOpt.Core.Runs;

/// <summary>Writes a file so that a reader sees the whole new content or the old one, also after a crash.</summary>
public static class AtomicFile
{
    /// <summary>Writes to <c>path + ".tmp"</c>, flushes to the disk and renames over <paramref name="path"/>.</summary>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        string temporary = path + ".tmp";
        try
        {
            using (var stream = Create(temporary))
            {
                stream.Write(content);
                stream.Flush(flushToDisk: true);
            }
            Replace(temporary, path);
        }
        catch
        {
            Remove(temporary);
            throw;
        }
    }

    /// <inheritdoc cref="Write(string, ReadOnlySpan{byte})"/>
    /// <param name="path">File to write or replace.</param>
    /// <param name="write">Writes the content in large pieces (the stream has no buffer). If it throws, the old file stays.</param>
    public static void Write(string path, Action<Stream> write)
    {
        string temporary = path + ".tmp";
        try
        {
            using (var stream = Create(temporary))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            Replace(temporary, path);
        }
        catch
        {
            Remove(temporary);
            throw;
        }
    }

    /// <summary>Copies a file to a place where there is none, flushed to the disk.</summary>
    public static void Copy(string from, string to)
    {
        using var source = new FileStream(from, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        Write(to, source.CopyTo);
    }

    /// <summary>
    /// Makes a rename within a directory durable. On Windows the file system's journal does that; elsewhere the directory is flushed,
    /// where its file system can.
    /// </summary>
    public static void FlushDirectory(string directory)
    {
        if (OperatingSystem.IsWindows()) return;
        int descriptor = Unix.Open(directory, 0 /* O_RDONLY */);
        // a file system without descriptors for directories: the rename is still atomic, and durable when the system next writes back
        if (descriptor < 0) return;
        _ = Unix.Fsync(descriptor);
        _ = Unix.Close(descriptor);
    }

    private static FileStream Create(string path) => new(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);

    private static void Replace(string temporary, string path)
    {
        File.Move(temporary, path, overwrite: true);
        FlushDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    private static void Remove(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // the exception that is on its way says why the file could not be written; a left-over .tmp is overwritten by the next attempt
        }
    }

    private static class Unix
    {
        [DllImport("libc", EntryPoint = "open", SetLastError = true)]
        public static extern int Open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

        [DllImport("libc", EntryPoint = "fsync", SetLastError = true)]
        public static extern int Fsync(int descriptor);

        [DllImport("libc", EntryPoint = "close", SetLastError = true)]
        public static extern int Close(int descriptor);
    }
}
