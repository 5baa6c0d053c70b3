namespace DistOpt.Core.Runs;

/// <summary>Writes a file so that a reader sees the whole new content or the old one, also after a crash.</summary>
public static class AtomicFile
{
    /// <summary>Writes to <c>path + ".tmp"</c>, flushes to the disk and renames over <paramref name="path"/>.</summary>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        string temporary = path + ".tmp";
        using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None))
        {
            stream.Write(content);
            stream.Flush(flushToDisk: true);
        }
        File.Move(temporary, path, overwrite: true);
    }
}
