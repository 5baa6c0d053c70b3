using DistOpt.Core.Checkpoints;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Checkpoints;

public sealed class SharedFolderProofTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("distopt-").FullName;

    private string Folder => Directory.CreateDirectory(Path.Combine(_root, "job-1")).FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Who_sees_the_folder_proves_it_and_nothing_is_left_of_the_proof()
    {
        using (var proof = SharedFolderProof.Begin(_root, Folder, "nonce"))
        {
            foreach (string node in new[] { "a:1@2", "b:1@2" })
                Assert.Null(proof.Check(node, SharedFolderProof.Answer(_root, Folder, proof.Name, node)));
        }

        Assert.Empty(Directory.GetFiles(_root, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public void A_folder_that_is_missing_or_another_one_is_told_with_its_path()
    {
        using var proof = SharedFolderProof.Begin(_root, Folder, "nonce");
        string missing = Path.Combine(_root, "missing"), other = Directory.CreateDirectory(Path.Combine(_root, "other")).FullName;

        Assert.Contains($"'{missing}' does not exist", Refusal(missing, proof.Name));
        Assert.Contains($"'{other}' is there, but is not the coordinator's folder", Refusal(other, proof.Name));
        Assert.Contains("mount one and the same folder", Refusal(other, proof.Name));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_to_is_told()
    {
        using var proof = SharedFolderProof.Begin(_root, Folder, "nonce");
        SharedFolderProof.Answer(_root, Folder, proof.Name, "a");
        string written = Directory.GetFiles(Path.Combine(Folder, ".proof")).Single(f => Path.GetFileName(f) != proof.Name);
        // whatever its user is: nobody can write a file where there is a folder
        Directory.CreateDirectory(written + ".tmp");

        var error = Assert.Throws<SpecException>(() => SharedFolderProof.Answer(_root, Folder, proof.Name, "a"));

        Assert.Contains($"'{_root}' cannot be written to", error.Message);
        Assert.Equal("storage.path", Assert.Single(error.Violations).Path);
    }

    [Fact]
    public void An_answer_without_a_file_or_with_another_text_or_none_proves_nothing()
    {
        using var proof = SharedFolderProof.Begin(_root, Folder, "nonce");

        Assert.Contains("is not to be read on the coordinator", proof.Check("a", "nonce"));
        Assert.Contains("something else", proof.Check("a", "another nonce"));
        Assert.Contains("deploy the same build", proof.Check("a", null));
        SharedFolderProof.Answer(_root, Folder, proof.Name, "a");
        Assert.Contains("is not to be read on the coordinator", proof.Check("b", "nonce"));
        File.WriteAllText(Directory.GetFiles(Path.Combine(Folder, ".proof")).Single(f => Path.GetFileName(f) != proof.Name), "of another");
        Assert.Contains("reads otherwise", proof.Check("a", "nonce"));
    }

    [Fact]
    public void Coordinators_that_follow_each_other_do_not_share_a_file()
    {
        using var former = SharedFolderProof.Begin(_root, Folder, "nonce 1");
        using var next = SharedFolderProof.Begin(_root, Folder, "nonce 2");

        Assert.NotEqual(former.Name, next.Name);
        Assert.NotNull(next.Check("a", SharedFolderProof.Answer(_root, Folder, former.Name, "a")));
    }

    private static string Refusal(string root, string name) =>
        Assert.Throws<SpecException>(() => SharedFolderProof.Answer(root, Path.Combine(root, "job-1"), name, "node")).Message;
}
