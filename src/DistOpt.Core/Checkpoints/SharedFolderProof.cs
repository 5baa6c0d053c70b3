using System.Security.Cryptography;
using System.Text;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Checkpoints;

/// <summary>
/// Proof that a coordinator and a node see the same folder and may write there: each reads what the other has written into it for this purpose. The
/// coordinator's side, with what a node does as <see cref="Answer"/>. Not thread-safe.
/// </summary>
public sealed class SharedFolderProof : IDisposable
{
    private const string SubfolderName = ".proof";
    private const string Remedy =
        "mount one and the same folder under this path on the coordinator and every node with the server role, writable for the user that runs the node";

    private readonly string _root;
    private readonly string _path;
    private readonly string _nonce;

    private SharedFolderProof(string root, string folder, string nonce)
    {
        (_root, _nonce, Name) = (root, nonce, Short(nonce));
        _path = Path.Combine(folder, SubfolderName, Name);
    }

    /// <summary>What a node is told: the name of the coordinator's file.</summary>
    public string Name { get; }

    /// <summary>Writes the coordinator's file.</summary>
    /// <param name="root"><c>storage.path</c>, for messages.</param>
    /// <param name="folder">The job's folder below it, which exists.</param>
    /// <param name="nonce">A text that no other coordinator, and not this one at another time, writes.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public static SharedFolderProof Begin(string root, string folder, string nonce)
    {
        var proof = new SharedFolderProof(root, folder, nonce);
        Directory.CreateDirectory(Path.GetDirectoryName(proof._path)!);
        AtomicFile.Write(proof._path, Encoding.UTF8.GetBytes(nonce));
        return proof;
    }

    /// <summary>A node's side: reads the coordinator's file and writes one of its own.</summary>
    /// <param name="root"><c>storage.path</c>, as this node sees it.</param>
    /// <param name="folder">The job's folder below it.</param>
    /// <param name="name">What the coordinator told.</param>
    /// <param name="node">Id of this node.</param>
    /// <returns>What it has read, for <see cref="Check"/>.</returns>
    /// <exception cref="SpecException">It does not see the file, or cannot write beside it; the message says which and what to do.</exception>
    public static string Answer(string root, string folder, string name, string node)
    {
        if (!Directory.Exists(root)) throw Refusal($"'{root}' does not exist there");
        string path = Path.Combine(folder, SubfolderName, Path.GetFileName(name));
        string nonce;
        try
        {
            nonce = File.ReadAllText(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw Refusal($"'{root}' is there, but is not the coordinator's folder: '{path}', which the coordinator has written, is not in it");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Refusal($"'{root}' cannot be read: {e.Message}");
        }
        try
        {
            AtomicFile.Write(OfNode(path, node), Encoding.UTF8.GetBytes(Text(nonce, node)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Refusal($"'{root}' cannot be written to: {e.Message}");
        }
        return nonce;
    }

    /// <summary>The coordinator's side: whether the node has proven that it sees the folder.</summary>
    /// <param name="node">Id of the node.</param>
    /// <param name="answer">What it has read; null where it has not tried.</param>
    /// <returns>Why it has not, and what to do; null where it has.</returns>
    public string? Check(string node, string? answer)
    {
        if (answer is null) return $"it has not shown that it sees '{_root}': its build does not know storage.kind shared; deploy the same build to every node";
        if (answer != _nonce) return $"it reads something else in '{_root}' than the coordinator has written; {Remedy}";
        string path = OfNode(_path, node);
        try
        {
            if (File.ReadAllText(path) != Text(_nonce, node)) return $"what it has written to '{_root}' reads otherwise on the coordinator; {Remedy}";
            File.Delete(path);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"what it has written to '{_root}' is not to be read on the coordinator ({e.Message}); {Remedy}";
        }
    }

    /// <summary>Removes the coordinator's file; where that fails it stays, a few bytes that nobody reads again.</summary>
    public void Dispose()
    {
        try
        {
            File.Delete(_path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // the folder is gone or read-only by now; whoever needs it for checkpoints has said so
        }
    }

    private static SpecException Refusal(string what) => new("storage.path", $"{what}; {Remedy}");

    private static string Text(string nonce, string node) => $"{nonce} {node}";

    private static string OfNode(string path, string node) => $"{path}-{Short(node)}";

    /// <summary>A file name that stands for a text.</summary>
    private static string Short(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 8));
}
