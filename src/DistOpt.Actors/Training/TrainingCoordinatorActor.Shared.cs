using System.Globalization;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Specs;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>
/// Shared storage (<c>storage.kind: shared</c>): servers write their parts of a checkpoint there themselves. Before a node gets anything of the job it
/// proves that it sees the folder.
/// </summary>
internal sealed partial class TrainingCoordinatorActor
{
    private SharedFolderProof? _proof;

    /// <exception cref="SpecException">The folder cannot be used here, or holds another run's checkpoints.</exception>
    private CheckpointStore OpenShared()
    {
        string root = _services.SharedFolder(Spec.Storage.Path!);
        var store = CheckpointStore.Shared(root, _submission.Job.Value);
        try
        {
            // it is made by whoever mounts it: a folder made here would hide that it is not mounted
            if (!Directory.Exists(root)) throw new DirectoryNotFoundException($"'{root}' does not exist");
            if (_submission is { Resumes: false, Recovery: null } && store.Steps().Count > 0)
            {
                throw new SpecException("storage.path",
                    $"is '{root}', but '{store.Directory}' in it holds checkpoints of another job '{_submission.Job}'; name another folder");
            }
            Directory.CreateDirectory(store.Directory);
            string nonce = string.Create(CultureInfo.InvariantCulture, $"{_submission.Job} {_services.Router.Self} {_services.Time.GetUtcNow():O}");
            _proof = SharedFolderProof.Begin(root, store.Directory, nonce);
            if (_submission.Recovery is null) store.RemoveLeftOvers();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            string text = $"cannot be used on the coordinator {_services.Name}: {e.Message}; mount the folder there, writable for the user that runs the node";
            if (_submission.Recovery is null) throw new SpecException("storage.path", text);
            // what runs goes on, and each checkpoint that cannot be written is told
            _warnings.Add($"storage.path {text}");
        }
        return store;
    }

    /// <summary>What a node is asked to prove: nothing where it will never hold a server.</summary>
    private string? ProofFor(string node) => _proof is not null && (!_offered.TryGetValue(node, out var offered) || offered.Server) ? _proof.Name : null;

    /// <summary>Why the node has not proven that it sees shared storage; null where it has, or need not.</summary>
    private JobRefused? Unproven(NodeId node, JobPrepared prepared)
    {
        // the proof is good for one look
        if (_prepared.ContainsKey(node) || ProofFor(node.Value) is null || _proof!.Check(node.Value, prepared.Proof) is not { } why) return null;
        return new JobRefused(prepared.NodeName, [new NamedText("storage.path", why)], null);
    }

    private void OnStateWritten(NodeId from, StateWritten written) =>
        _writer?.Tell(new PartWritten($"server {written.Server} on {NameOf(from.Value)}", written), Self);
}
